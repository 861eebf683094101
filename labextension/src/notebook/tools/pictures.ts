import type { IOutput } from '@jupyterlab/nbformat';
import type { IOutcome } from '../../client/chats.js';
import { fieldsOf } from '../../model/tools.js';
import { type IPicture, pictureOf } from '../outputs.js';

const MOST_PICTURES = 4;
const LONGEST_SIDE = 1568; // pixels; models see no more
const MOST_DATA = 700_000; // characters of base64 of one picture: a request takes 4 MiB
const JPEG_QUALITY = 0.85;

/** Returns *fields*, and the pictures of *outputs* for the model to look at. */
export async function withPictures(fields: object, outputs: readonly IOutput[]): Promise<IOutcome> {
  const found = outputs.flatMap(output => pictureOf(output) ?? []);
  const ready = await Promise.all(found.slice(-MOST_PICTURES).map(fitted));
  const [first, ...others] = ready.filter(picture => picture !== undefined);
  const leftOut = found.length - (first ? others.length + 1 : 0);
  const note = leftOut > 0 ? { pictures_left_out: leftOut } : {};
  if (!first) {
    return { result: { ...fields, ...note } };
  }
  const text = JSON.stringify({ ...fields, ...note });
  const failed = fieldsOf(fields).success === false && { success: false }; // for people: models read the words
  return { result: { ...asData(first), text, more: others.map(asData), ...failed }, isMedia: true };
}

function asData({ mimeType, data }: IPicture): object {
  return { data, mime_type: mimeType };
}

/** Returns a picture that a model takes: no markup, not too large; `undefined` when it cannot be drawn. */
async function fitted(picture: IPicture): Promise<IPicture | undefined> {
  const isMarkup = picture.mimeType === 'image/svg+xml';
  const image = new Image();
  image.src = isMarkup
    ? `data:image/svg+xml;charset=utf-8,${encodeURIComponent(picture.data)}`
    : `data:${picture.mimeType};base64,${picture.data}`;
  try {
    await image.decode();
  } catch {
    return undefined;
  }
  const width = image.naturalWidth || 640;
  const height = image.naturalHeight || 480;
  const scale = Math.min(1, LONGEST_SIDE / Math.max(width, height));
  if (!isMarkup && scale === 1 && picture.data.length <= MOST_DATA) {
    return picture;
  }
  return drawn(image, width * scale, height * scale);
}

function drawn(image: HTMLImageElement, width: number, height: number): IPicture | undefined {
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(width));
  canvas.height = Math.max(1, Math.round(height));
  const context = canvas.getContext('2d');
  if (!context) {
    return undefined;
  }
  context.fillStyle = 'white'; // plots without a ground are meant for paper
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  const asPNG = dataOf(canvas.toDataURL('image/png'));
  return asPNG.length <= MOST_DATA
    ? { mimeType: 'image/png', data: asPNG }
    : { mimeType: 'image/jpeg', data: dataOf(canvas.toDataURL('image/jpeg', JPEG_QUALITY)) };
}

function dataOf(url: string): string {
  return url.slice(url.indexOf(',') + 1);
}
