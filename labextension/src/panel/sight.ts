/** Whether a conversation stands in a cell and somebody sees it now. Widgets name their view and their chat. */
export function isInCell(chatId: string): boolean {
  const widgets = document.querySelectorAll<HTMLElement>('.jp-chatd-widget[data-view="Chat"]');
  return [...widgets].some(widget => widget.dataset.chat === chatId && isOnScreen(widget));
}

function isOnScreen(element: HTMLElement): boolean {
  const { top, bottom, height } = element.getBoundingClientRect();
  return height > 0 && bottom > 0 && top < window.innerHeight;
}
