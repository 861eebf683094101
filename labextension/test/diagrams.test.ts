import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { withHarmlessDiagrams } from '../src/model/diagrams.js';

const fenced = (diagram: string, mark = '```mermaid') => `${mark}\n${diagram}\n\`\`\``;

describe('diagrams', () => {
  for (const diagram of ['graph TD; A[one<br>two] --> B', 'sequenceDiagram\n  A->>B: Hello?']) {
    test(`${JSON.stringify(diagram)} is drawn, each time`, () => {
      for (let time = 0; time < 3; time += 1) {
        assert.equal(withHarmlessDiagrams(fenced(diagram)), fenced(diagram));
      }
    });
  }

  const harmful = [
    'graph TD; A["<img src=https://evil.example>"]',
    'graph TD; A["#lt;img src=x#gt;"]',
    '%%{init: {"themeCSS": "a"}}%%\ngraph TD; A',
    '---\nconfig:\n  theme: dark\n---\ngraph TD; A',
    'graph TD; A@{ shape: rounded }',
    'graph TD; A; click A call back()',
    'graph TD; A; style A fill:url(x)'
  ];
  for (const diagram of harmful) {
    for (const mark of ['```mermaid', '~~~ mermaid', '> ```\tMermaid']) {
      test(`${JSON.stringify(diagram)} below ${JSON.stringify(mark)} is code, each time`, () => {
        for (let time = 0; time < 3; time += 1) {
          assert.doesNotMatch(withHarmlessDiagrams(fenced(diagram, mark)), /mermaid/i);
        }
      });
    }
  }

  test('what has none stays as it is', () => {
    assert.equal(withHarmlessDiagrams('a <b> #1 mermaid'), 'a <b> #1 mermaid');
  });
});
