/** What the server says of feeds, contracts and submissions (`docs/openapi.json`), read field by field. */
import {
  type Bilingual,
  bilingual,
  type Fields,
  fields,
  flag,
  instant,
  instantOrNull,
  list,
  Malformed,
  number,
  numberOrNull,
  text,
  textOrNull,
} from './read';

/** Of the newest files: rows that landed, at once or mended. */
export type Quality = { readonly submissions: number; readonly rowsRead: number; readonly rowsLanded: number };

export type FeedSummary = {
  readonly feed: string;
  readonly title: Bilingual;
  readonly rows: number;
  readonly quarantined: number;
  readonly lastLandedMs: number | null;
  readonly quality: Quality;
};

export const COLUMN_TYPES = ['text', 'integer', 'number', 'boolean', 'date', 'time'] as const;
export type ColumnType = (typeof COLUMN_TYPES)[number];

export type ContractColumn = {
  readonly name: string;
  readonly header: string;
  readonly type: ColumnType;
  readonly required: boolean;
  readonly unique: boolean;
  /** Bounds as they are written: numbers, dates or times. */
  readonly minimum: string | null;
  readonly maximum: string | null;
  readonly above: string | null;
  readonly below: string | null;
  readonly shortest: number | null;
  readonly longest: number | null;
  readonly pattern: string | null;
  readonly allowed: readonly string[] | null;
  readonly timeZone: string | null;
  readonly unit: string | null;
  readonly description: string | null;
};

export type ContractPlace = {
  readonly kind: 'point' | 'area' | 'cell';
  readonly columns: readonly string[];
  readonly crs: string | null;
  readonly outsideRefused: boolean;
};

export type Contract = {
  readonly version: string;
  readonly freshS: number | null;
  readonly key: readonly string[];
  /** A key may come again; its newest row counts. */
  readonly latest: boolean;
  readonly eventTime: { readonly column: string; readonly futureS: number; readonly lateS: number | null } | null;
  readonly place: ContractPlace | null;
  readonly columns: readonly ContractColumn[];
};

export type FeedDetail = FeedSummary & { readonly contract: Contract };

export type Receipt = {
  readonly submission: string;
  readonly feed: string;
  readonly file: string;
  readonly rowsRead: number;
  readonly rowsLanded: number;
  readonly rowsQuarantined: number;
  readonly reasons: readonly (readonly [code: string, rows: number])[];
  readonly duplicateOf: string | null;
  readonly bytes: number;
  readonly seconds: number;
  readonly contractVersion: string;
  readonly mends: string | null;
  /** Headers of columns that the contract has today no longer. */
  readonly leftOut: readonly string[];
  /** Columns whose numbers were converted. */
  readonly units: readonly { readonly header: string; readonly from: string; readonly to: string }[];
  /** How the file was read: format, packing, encoding, delimiter. */
  readonly readAs: readonly string[];
};

export type RejectedRow = {
  readonly row: number;
  readonly code: string;
  readonly column: string;
  readonly value: string | null;
  readonly values: Readonly<Record<string, string>>;
  readonly line: string | null;
};

export type Trial = { readonly receipt: Receipt; readonly rejected: readonly RejectedRow[] };

export type Submission = {
  readonly state: 'landed' | 'withdrawn';
  readonly submission: string;
  readonly landedMs: number;
  readonly withdrawnMs: number | null;
  readonly mendedBy: readonly string[];
  readonly rowsOpen: number;
  readonly receipt: Receipt;
};

export type UnderWay = {
  readonly state: 'receiving' | 'reading';
  readonly received: number;
  readonly expected: number | null;
  readonly read: number;
  readonly total: number;
};

/** An upload in parts: on its way, or what became of it. */
export type Uploaded =
  | { readonly state: 'receiving' | 'landing'; readonly submission: string }
  | { readonly state: 'landed'; readonly submission: string; readonly receipt: Receipt }
  | { readonly state: 'refused'; readonly submission: string; readonly problem: Problem };

export type History = {
  readonly submissions: readonly Submission[];
  readonly total: number;
  readonly quality: Quality;
};

export type Violation = { readonly code: string; readonly column: string; readonly detail: string };

/** A refusal: a stable code, what is wrong in words, and each thing where there are several. */
export type Problem = { readonly code: string; readonly detail: string; readonly violations: readonly Violation[] };

function texts(value: unknown, what: string): readonly string[] {
  return list(value, what).map(String);
}

function bound(f: Fields, key: string): string | null {
  return textOrNull(f, key);
}

function readQuality(value: unknown): Quality {
  const f = fields(value, 'quality');
  return {
    submissions: number(f, 'submissions'),
    rowsRead: number(f, 'rows_read'),
    rowsLanded: number(f, 'rows_landed'),
  };
}

function readSummary(value: unknown): FeedSummary {
  const f = fields(value, 'a feed');
  const feed = text(f, 'feed');
  return {
    feed,
    title: bilingual(f['title'], feed),
    rows: number(f, 'rows'),
    quarantined: number(f, 'quarantined'),
    lastLandedMs: instantOrNull(f, 'last_landed_us'),
    quality: readQuality(f['quality']),
  };
}

export function readFeeds(value: unknown): readonly FeedSummary[] {
  return list(fields(value, 'the answer')['feeds'], 'feeds').map(readSummary);
}

function readColumn(value: unknown): ContractColumn {
  const f = fields(value, 'a column');
  const type = COLUMN_TYPES.find((known) => known === f['type']);
  if (type === undefined) throw new Malformed(`no type \`${String(f['type'])}\``);
  const allowed = f['allowed'];
  return {
    name: text(f, 'name'),
    header: text(f, 'header'),
    type,
    required: flag(f, 'required'),
    unique: flag(f, 'unique'),
    minimum: bound(f, 'minimum'),
    maximum: bound(f, 'maximum'),
    above: bound(f, 'above'),
    below: bound(f, 'below'),
    shortest: numberOrNull(f, 'shortest'),
    longest: numberOrNull(f, 'longest'),
    pattern: textOrNull(f, 'pattern'),
    allowed: allowed === null || allowed === undefined ? null : texts(allowed, 'allowed'),
    timeZone: textOrNull(f, 'time_zone'),
    unit: textOrNull(f, 'unit'),
    description: textOrNull(f, 'description'),
  };
}

function readPlace(value: unknown): ContractPlace | null {
  if (value === null || value === undefined) return null;
  const f = fields(value, 'place');
  const kind = (['point', 'area', 'cell'] as const).find((known) => known === f['kind']);
  if (kind === undefined) throw new Malformed(`no place \`${String(f['kind'])}\``);
  return {
    kind,
    columns: texts(f['columns'], 'columns of the place'),
    crs: textOrNull(f, 'crs'),
    outsideRefused: flag(f, 'outside_refused'),
  };
}

function readContract(value: unknown): Contract {
  const f = fields(value, 'contract');
  const time = f['event_time'];
  const rule = time === null || time === undefined ? null : fields(time, 'event_time');
  return {
    version: text(f, 'version'),
    freshS: numberOrNull(f, 'fresh_s'),
    key: texts(f['key'], 'key'),
    latest: flag(f, 'latest'),
    eventTime:
      rule === null
        ? null
        : { column: text(rule, 'column'), futureS: number(rule, 'future_s'), lateS: numberOrNull(rule, 'late_s') },
    place: readPlace(f['place']),
    columns: list(f['columns'], 'columns').map(readColumn),
  };
}

export function readFeed(value: unknown): FeedDetail {
  return { ...readSummary(value), contract: readContract(fields(value, 'the feed')['contract']) };
}

/** What was told from a file's bytes, as short words. */
function readAs(value: unknown): readonly string[] {
  if (value === null || value === undefined) return [];
  const f = fields(value, 'read_as');
  const delimiter = textOrNull(f, 'delimiter');
  const told = [
    text(f, 'format'),
    textOrNull(f, 'packing'),
    textOrNull(f, 'encoding'),
    flag(f, 'byte_order_mark') ? 'BOM' : null,
    delimiter === '\t' ? 'tab' : delimiter,
    flag(f, 'decimal_comma') ? '0,0' : null,
  ];
  return told.filter((word) => word !== null);
}

/** Receipts of earlier versions say no units. */
function readUnits(value: unknown): Receipt['units'] {
  if (value === null || value === undefined) return [];
  return Object.entries(fields(value, 'units')).map(([header, unit]) => {
    const f = fields(unit, header);
    return { header, from: text(f, 'from'), to: text(f, 'to') };
  });
}

export function readReceipt(value: unknown): Receipt {
  const f = fields(value, 'a receipt');
  const reasons = Object.entries(fields(f['reasons'], 'reasons')).map(([code, rows]) => [code, Number(rows)] as const);
  return {
    submission: text(f, 'submission'),
    feed: text(f, 'feed'),
    file: text(f, 'file'),
    rowsRead: number(f, 'rows_read'),
    rowsLanded: number(f, 'rows_landed'),
    rowsQuarantined: number(f, 'rows_quarantined'),
    reasons: reasons.toSorted((a, b) => b[1] - a[1]),
    duplicateOf: textOrNull(f, 'duplicate_of'),
    bytes: number(f, 'bytes'),
    seconds: number(f, 'seconds'),
    contractVersion: text(f, 'contract_version'),
    mends: textOrNull(f, 'mends'),
    leftOut: f['left_out'] === undefined ? [] : texts(f['left_out'], 'left_out'),
    units: readUnits(f['units']),
    readAs: readAs(f['read_as']),
  };
}

function readRejectedRow(value: unknown): RejectedRow {
  const f = fields(value, 'a rejected row');
  const values = Object.entries(fields(f['values'], 'values')).map(([header, shown]) => [header, String(shown)]);
  return {
    row: number(f, 'row'),
    code: text(f, 'code'),
    column: text(f, 'column'),
    value: textOrNull(f, 'value'),
    values: Object.fromEntries(values),
    line: textOrNull(f, 'line'),
  };
}

export function readRejected(value: unknown): readonly RejectedRow[] {
  return list(fields(value, 'the answer')['rejected'], 'rejected').map(readRejectedRow);
}

export function readTrial(value: unknown): Trial {
  return { receipt: readReceipt(value), rejected: readRejected(value) };
}

function readSubmission(value: unknown): Submission {
  const f = fields(value, 'a submission');
  return {
    state: f['state'] === 'withdrawn' ? 'withdrawn' : 'landed',
    submission: text(f, 'submission'),
    landedMs: instant(f, 'landed_us'),
    withdrawnMs: instantOrNull(f, 'withdrawn_us'),
    mendedBy: texts(f['mended_by'], 'mended_by'),
    rowsOpen: number(f, 'rows_open'),
    receipt: readReceipt(f['receipt']),
  };
}

/** One submission, landed or still on its way. */
export function readStanding(value: unknown): Submission | UnderWay {
  const f = fields(value, 'a submission');
  const state = f['state'];
  if (state !== 'receiving' && state !== 'reading') return readSubmission(value);
  return {
    state,
    received: number(f, 'received'),
    expected: numberOrNull(f, 'expected'),
    read: number(f, 'read'),
    total: number(f, 'total'),
  };
}

export function readHistory(value: unknown): History {
  const f = fields(value, 'the answer');
  return {
    submissions: list(f['submissions'], 'submissions').map(readSubmission),
    total: number(f, 'total'),
    quality: readQuality(f['quality']),
  };
}

export function readProblem(value: unknown): Problem {
  const f = fields(value, 'a problem');
  const violations = f['violations'] === undefined ? [] : list(f['violations'], 'violations');
  return {
    code: text(f, 'code'),
    detail: text(f, 'detail'),
    violations: violations.map((it) => {
      const violation = fields(it, 'a violation');
      return {
        code: text(violation, 'code'),
        column: text(violation, 'column'),
        detail: text(violation, 'detail'),
      };
    }),
  };
}

export function readUpload(value: unknown): Uploaded {
  const f = fields(value, 'an upload');
  const [state, submission] = [text(f, 'state'), text(f, 'upload')];
  switch (state) {
    case 'receiving':
    case 'landing':
      return { state, submission };
    case 'landed':
      return { state, submission, receipt: readReceipt(f['receipt']) };
    case 'refused':
      return { state, submission, problem: readProblem(value) };
    default:
      throw new Malformed(`no state \`${state}\``);
  }
}

/** A share from 0 to 100, rounded down so that 100 means all; null where there is nothing to judge. */
export function score(quality: Quality): number | null {
  if (quality.rowsRead === 0) return null;
  return Math.floor((quality.rowsLanded / quality.rowsRead) * 1000) / 10;
}
