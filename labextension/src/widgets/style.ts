/** The rules of all widgets, in the order of `style/index.css`; those for outputs of cells come last. */

import base from '../../style/base.css';
import cards from '../../style/cards.css';
import composer from '../../style/composer.css';
import controls from '../../style/controls.css';
import desktop from '../../style/desktop.css';
import list from '../../style/list.css';
import markdown from '../../style/markdown.css';
import page from '../../style/page.css';
import transcript from '../../style/transcript.css';
import widgets from '../../style/widgets.css';

export const STYLE = [
  base,
  controls,
  list,
  transcript,
  markdown,
  cards,
  composer,
  page,
  desktop,
  widgets
].join('\n');
