/** What a model says must not load anything, send anything, or look like a part of the page. */

/** What a text needs; nothing that loads, sends, or lies above the page. */
export const ALLOWED_TAGS: readonly string[] = (
  'a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5 ' +
  'h6 hr i img input ins kbd li mark ol p pre q s samp small span strong sub summary sup table tbody td tfoot th ' +
  'thead tr u ul var wbr'
).split(' ');

export const ALLOWED_ATTRIBUTES: Readonly<Record<string, string[]>> = {
  a: ['href', 'title'],
  abbr: ['title'],
  code: ['class'],
  details: ['open'],
  figure: ['class'],
  img: ['alt', 'class', 'height', 'src', 'title', 'width'],
  input: ['checked', 'type'],
  ol: ['start'],
  pre: ['class'],
  span: ['class'],
  td: ['align', 'colspan', 'rowspan'],
  th: ['align', 'colspan', 'rowspan', 'scope']
};

/** Classes of highlighted code and of diagrams. Others would let a text look like a part of the page. */
const ALLOWED_CLASS = /^(language-|cm-|ͼ|jp-RenderedMermaid)/;

/** Returns sanitized HTML without what would be fetched, and with links that show where they lead. */
export function checkedAnswer(html: string): string {
  // In a template nothing is loaded and nothing runs.
  const template = document.createElement('template');
  template.innerHTML = html;
  const body = template.content;
  for (const image of body.querySelectorAll('img')) {
    checkImage(image);
  }
  for (const link of body.querySelectorAll('a')) {
    checkLink(link);
  }
  for (const input of body.querySelectorAll('input')) {
    checkInput(input);
  }
  for (const element of body.querySelectorAll('[class]')) {
    element.className = [...element.classList].filter(name => ALLOWED_CLASS.test(name)).join(' ');
  }
  return template.innerHTML;
}

/** Formulas that say where they lead. */
const checked = new WeakSet<Element>();

/**
 * Checks the links that formulas make of TeX, which no sanitizer sees: they become as others are, and say behind the
 * formula where they lead, because what they are drawn with is no text. A formula that is met again stays as it is:
 * drawings of formulas may overlap.
 */
export function checkFormulas(node: Element): void {
  const formulas = [...node.querySelectorAll('mjx-container')].filter(formula => !checked.has(formula));
  for (const element of node.querySelectorAll('math [href]')) {
    element.removeAttribute('href');
  }
  for (const formula of formulas) {
    checked.add(formula);
    checkFormulaLinks(formula);
    const links = [...formula.querySelectorAll<HTMLAnchorElement>('a[href]')];
    const hosts = new Set(links.map(link => link.host || link.href));
    if (hosts.size > 0) {
      formula.after(` (${[...hosts].join(', ')})`);
    }
  }
}

function checkFormulaLinks(formula: Element): void {
  for (const element of formula.querySelectorAll('[href]')) {
    if (element instanceof HTMLAnchorElement) {
      checkLink(element);
    } else {
      element.removeAttribute('href');
    }
  }
}

/** A picture that would be fetched could tell somebody what was read here: a link takes its place. */
function checkImage(image: HTMLImageElement): void {
  const address = image.getAttribute('src') ?? '';
  if (/^data:image\//i.test(address)) {
    return;
  }
  const link = image.ownerDocument.createElement('a');
  link.textContent = `Picture: ${image.alt || address}`;
  link.setAttribute('href', address);
  image.replaceWith(link);
}

/** Only addresses of other sites, which open apart, stay links: this server does things when it is asked. */
function checkLink(link: HTMLAnchorElement): void {
  const url = outsideURL(link.getAttribute('href') ?? '');
  if (url === undefined) {
    link.removeAttribute('href');
    return;
  }
  link.target = '_blank';
  link.rel = 'noopener noreferrer';
  link.title = url.href;
  const claimed = outsideURL(link.textContent?.trim() ?? '');
  if (claimed !== undefined && claimed.host !== url.host) {
    link.append(` (${url.host || url.href})`);
  }
}

function outsideURL(address: string): URL | undefined {
  if (!/^(https?:\/\/|mailto:)/i.test(address) || !URL.canParse(address)) {
    return undefined;
  }
  const url = new URL(address);
  return url.host === location.host ? undefined : url;
}

/** Boxes of task lists show something and take nothing. */
function checkInput(input: HTMLInputElement): void {
  if (input.type === 'checkbox') {
    input.disabled = true;
  } else {
    input.remove();
  }
}
