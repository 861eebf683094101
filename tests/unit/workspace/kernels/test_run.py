"""What code gives, message by message."""

from __future__ import annotations

from typing import Any

from jupyter_chatd.workspace.kernels.protocol import CodeState, Picture
from jupyter_chatd.workspace.kernels.run import CodeRun
from jupyter_chatd.workspace.kernels.settings import KernelSettings
from jupyter_chatd.workspace.limits import OutputLimits

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
JPEG = "/9j/4AAQ"


def make(**limits: Any) -> CodeRun:
    return CodeRun("r", limits=KernelSettings(**limits), output_limits=OutputLimits())


def stream(text: str) -> dict[str, Any]:
    return {"name": "stdout", "text": text}


def shown(display_id: str | None = None, **data: str) -> dict[str, Any]:
    forms = {name.replace("_", "/"): value for name, value in data.items()}
    return {"data": forms, "transient": {"display_id": display_id} if display_id else {}}


def test_streams_and_results_come_in_order() -> None:
    run = make()
    run.take("stream", stream("\x1b[31mred\x1b[0m\n"))
    run.take("execute_result", shown(text_plain="42"))
    run.take("comm_msg", {"data": {}})
    run.end({"status": "ok"})
    output = run.output()
    assert (output.state, output.output) == (CodeState.DONE, "red\n42\n")


def test_a_progress_bar_leaves_its_last_line() -> None:
    run = make()
    for percent in range(0, 101, 10):
        run.take("stream", stream(f"\r{percent}%"))
    run.take("stream", stream("\ndone\r\n"))
    assert run.output().output == "100%\ndone\r\n"


def test_clearing_waits_for_what_comes_next_when_told_to() -> None:
    run = make()
    run.take("display_data", shown(image_png=PNG))
    run.take("clear_output", {"wait": True})
    assert len(run.output().pictures) == 1
    run.take("stream", stream("new"))
    assert (run.output().output, run.output().pictures) == ("new", ())
    run.take("clear_output", {"wait": False})
    assert run.output().output == ""


def test_the_last_pictures_are_kept_and_updated_in_place() -> None:
    run = make(pictures=2)
    for name in ("a", "b", "c"):
        run.take("display_data", shown(display_id=name, image_png=PNG, text_plain="<Figure size 1x1>"))
    run.take("update_display_data", shown(display_id="c", image_jpeg=JPEG))
    output = run.output()
    assert output.pictures == (
        Picture(data=PNG, media_type="image/png"),
        Picture(data=JPEG, media_type="image/jpeg"),
    )
    assert output.pictures_left_out == 1
    assert output.output == "[image/png]\n" * 3


def test_a_picture_that_is_too_large_or_no_picture_is_told_in_words() -> None:
    run = make(picture_bytes=10)
    run.take("display_data", shown(image_png=PNG, text_plain="a plot"))
    run.take("display_data", shown(image_png="<script>", text_plain="a lie"))
    assert (run.output().output, run.output().pictures, run.output().pictures_left_out) == (
        "a plot\na lie\n",
        (),
        1,
    )


def test_objects_without_words_of_their_own_show_their_markdown() -> None:
    run = make()
    run.take(
        "display_data",
        shown(text_plain="<IPython.core.display.Markdown object>", text_markdown="# Title"),
    )
    run.take("display_data", shown(text_plain="<__main__.A object at 0x7f00>"))
    assert run.output().output == "# Title\n<__main__.A object at 0x7f00>\n"


def test_a_long_traceback_keeps_its_end() -> None:
    run = make(traceback_bytes=100)
    run.end({"status": "error", "ename": "E", "evalue": "v", "traceback": ["\x1b[0;31mx" * 1000, "the end"]})
    error = run.output().error
    assert error is not None
    assert run.output().state is CodeState.FAILED
    assert error.traceback.endswith("x\nthe end")
    assert len(error.traceback) < 120


def test_a_keyboard_interrupt_that_nobody_asked_for_is_an_error() -> None:
    reply = {"status": "error", "ename": "KeyboardInterrupt", "evalue": "", "traceback": []}
    alone, asked = make(), make()
    asked.is_interrupted = True
    alone.end(reply)
    asked.end(reply)
    assert (alone.output().state, asked.output().state) == (CodeState.FAILED, CodeState.INTERRUPTED)


def test_a_kernel_that_dies_after_the_code_takes_nothing_from_it() -> None:
    run = make()
    run.end({"status": "ok"})
    run.die("gone")
    assert (run.output().state, run.output().reason) == (CodeState.DONE, None)
