"""The beginnings of files: enough to be told apart."""

from __future__ import annotations

PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0"
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01"
GIF = b"GIF89a\x01\0\x01\0\x80\0\0"
WEBP = b"RIFF\x24\0\0\0WEBPVP8 "
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"
ZIP = b"PK\x03\x04\x14\0\0\0"
HTML = b"<!DOCTYPE html>\n<html><body><script>alert(1)</script></body></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
CSV = "name,größe\nada,1\n".encode()
