import * as React from 'react';

import type { IAction } from '../client/values.js';
import type { ChatModel, IAnswer } from '../model/chat.js';
import { type IQuestion, listField, questionsOf, textField } from '../model/tools.js';
import { DefaultBody } from './DefaultBody.js';
import type { IToolBodyProps } from './ToolCard.js';

/** Questions of the agent: a form while they are open, then what was answered. */
export function QuestionBody(props: IToolBodyProps): React.ReactElement {
  const { entry, model } = props;
  const questions = questionsOf(entry.call.args);
  if (questions.length === 0) {
    return <DefaultBody {...props} />;
  }
  if (entry.action?.kind === 'question') {
    return <QuestionForm questions={questions} action={entry.action} model={model} />;
  }
  const answers = listField(entry.result?.result, 'answers');
  return (
    <dl className="jp-chatd-answers">
      {questions.map(({ question }, index) => (
        <React.Fragment key={question}>
          <dt>{question}</dt>
          <dd>{textField(answers[index], 'answer') || '–'}</dd>
        </React.Fragment>
      ))}
    </dl>
  );
}

interface IQuestionFormProps {
  readonly questions: readonly IQuestion[];
  readonly action: IAction;
  readonly model: ChatModel;
}

function QuestionForm({ questions, action, model }: IQuestionFormProps): React.ReactElement {
  const [answers, setAnswers] = React.useState<readonly string[]>(() => questions.map(() => ''));
  const [isSending, setSending] = React.useState(false);
  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    setSending(true);
    setSending(await model.answer(action, questions.map(toAnswer(answers))));
  };
  return (
    <form onSubmit={event => void submit(event)}>
      <fieldset className="jp-chatd-form" disabled={isSending}>
        {questions.map((question, index) => (
          <Choice
            key={question.question}
            question={question}
            answer={answers[index] ?? ''}
            onAnswer={answer => setAnswers(answers.map((old, place) => (place === index ? answer : old)))}
          />
        ))}
        <button
          type="submit"
          className="jp-chatd-button jp-mod-accept"
          disabled={answers.some(answer => !answer.trim())}
        >
          Answer
        </button>
      </fieldset>
    </form>
  );
}

function toAnswer(answers: readonly string[]): (question: IQuestion, index: number) => IAnswer {
  return ({ question }, index) => ({ question, answer: (answers[index] ?? '').trim() });
}

interface IChoiceProps {
  readonly question: IQuestion;
  readonly answer: string;
  readonly onAnswer: (answer: string) => void;
}

/** One question: its options, and room for another answer. */
function Choice({
  question: { header, question, options },
  answer,
  onAnswer
}: IChoiceProps): React.ReactElement {
  const name = React.useId();
  const isOther = !options.some(({ label }) => label === answer);
  return (
    <fieldset className="jp-chatd-choice">
      <legend>{header}</legend>
      <p>{question}</p>
      {options.map(({ label, description }) => (
        <label key={label}>
          <input type="radio" name={name} checked={answer === label} onChange={() => onAnswer(label)} />
          <span>
            {label} <small className="jp-chatd-faint">{description}</small>
          </span>
        </label>
      ))}
      <input
        type="text"
        className="jp-chatd-field"
        placeholder="Another answer"
        aria-label={`Another answer to: ${question}`}
        value={isOther ? answer : ''}
        onChange={event => onAnswer(event.target.value)}
      />
    </fieldset>
  );
}
