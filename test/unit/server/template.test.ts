import { expect, test } from 'vitest';
import { fillTemplate } from '../../../src/server/template.ts';

test('values are quoted, parts are not', () => {
  expect(fillTemplate('a: {{a}} b: {{b}} {{> p}}', { a: 'x"y\\z }{', b: [{ c: 1, d: true }] }, { p: 'part {' })).toBe(
    'a: "x\\"y\\\\z }{" b: [{"c":1,"d":true}] part {',
  );
});

test('a value cannot become a template', () => {
  expect(fillTemplate('{{a}} {{b}}', { a: '{{b}}', b: 1 })).toBe('"{{b}}" 1');
});

test('a missing name, an unused value, a control character and a fraction are refused', () => {
  expect(() => fillTemplate('{{a}} {{b}}', { a: 1 })).toThrow(/asks for b/);
  expect(() => fillTemplate('{{a}}', { a: 1, c: 2 })).toThrow(/does not use c/);
  expect(() => fillTemplate('{{> p}}', {}, {})).toThrow(/asks for > p/);
  expect(() => fillTemplate('{{a}}', { a: 'x\r\nport: 1' })).toThrow(/control character/);
  expect(() => fillTemplate('{{a}}', { a: [{ b: '\u0000' }] })).toThrow(/control character/);
  expect(() => fillTemplate('{{a}}', { a: 1.5 })).toThrow(/whole number/);
});
