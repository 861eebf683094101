const MERMAID_FENCE = /([`~]{3,}[^\S\n]*)mermaid/gi;

/**
 * What a diagram can do beyond boxes and arrows with words: HTML in its labels, whose pictures are fetched
 * while it is drawn; styles, settings, links, pictures and icons. `#` and `&` begin characters written as codes.
 */
const BEYOND =
  /[<#&@\\]|%%|---\s*\n|\/\/|:\/|\burl|\bclick\b|\bhref\b|\bstyle\b|\bclassDef\b|\bimg\b|\bicon\b/i;

/** Returns *markdown* with diagrams that are more than boxes and arrows with words as plain code. */
export function withHarmlessDiagrams(markdown: string): string {
  return markdown.search(MERMAID_FENCE) >= 0 && BEYOND.test(markdown.replaceAll('<br>', ''))
    ? markdown.replace(MERMAID_FENCE, '$1text')
    : markdown;
}
