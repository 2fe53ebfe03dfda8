/** A contract in plain words: what a column must be, one short clause after the other. Pure. */
import type { Contract, ContractColumn, ContractPlace } from '../protocol/intake';
import type { Bilingual } from '../protocol/read';
import { unitText } from './format';

const w = (zh: string, en: string): Bilingual => ({ zh, en });

/** So many allowed values are named. */
const NAMED = 12;

const TYPES: Readonly<Record<ContractColumn['type'], Bilingual>> = {
  text: w('文本', 'text'),
  integer: w('整数', 'a whole number'),
  number: w('数值', 'a number'),
  boolean: w('是或否（true/false）', 'true or false'),
  date: w('日期', 'a date'),
  time: w('日期和时间', 'a date and time'),
};

/** The clauses of a column, the type first. */
export function clauses(column: ContractColumn): readonly Bilingual[] {
  const unit = unitText(column.unit);
  const type = TYPES[column.type];
  const first = unit === null ? type : w(`${type.zh}（${unit}）`, `${type.en} in ${unit}`);
  return [first, ...range(column), ...length(column), ...pattern(column), ...allowed(column), ...others(column)];
}

function range({ minimum, maximum, above, below }: ContractColumn): readonly Bilingual[] {
  if (minimum !== null && maximum !== null) return [w(`${minimum} 至 ${maximum}`, `from ${minimum} to ${maximum}`)];
  const told: Bilingual[] = [];
  if (minimum !== null) told.push(w(`不小于 ${minimum}`, `at least ${minimum}`));
  if (maximum !== null) told.push(w(`不大于 ${maximum}`, `at most ${maximum}`));
  if (above !== null) told.push(w(`大于 ${above}`, `more than ${above}`));
  if (below !== null) told.push(w(`小于 ${below}`, `less than ${below}`));
  return told;
}

function length({ shortest, longest }: ContractColumn): readonly Bilingual[] {
  if (shortest !== null && longest !== null) {
    if (shortest === longest) return [w(`${longest} 个字符`, `${longest} characters`)];
    return [w(`${shortest} 至 ${longest} 个字符`, `${shortest} to ${longest} characters`)];
  }
  if (shortest !== null) return [w(`至少 ${shortest} 个字符`, `at least ${shortest} characters`)];
  return longest === null ? [] : [w(`最多 ${longest} 个字符`, `at most ${longest} characters`)];
}

function pattern(column: ContractColumn): readonly Bilingual[] {
  return column.pattern === null ? [] : [w(`格式 ${column.pattern}`, `in the pattern ${column.pattern}`)];
}

function allowed(column: ContractColumn): readonly Bilingual[] {
  if (column.allowed === null) return [];
  const named = column.allowed.slice(0, NAMED);
  const more = column.allowed.length - named.length;
  const zh = `取值：${named.join('、')}${more > 0 ? ` 等 ${column.allowed.length} 种` : ''}`;
  return [w(zh, `one of: ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`)];
}

function others(column: ContractColumn): readonly Bilingual[] {
  const told: Bilingual[] = [];
  if (column.unique) told.push(w('不得重复', 'no value twice'));
  if (column.type === 'time' && column.timeZone !== null)
    told.push(w(`未写时区时按 ${column.timeZone}`, `${column.timeZone} where no zone is written`));
  return told;
}

const CRS_ZH = '坐标系';

function place({ kind, columns, crs, outsideRefused }: ContractPlace): Bilingual {
  const [x = '', y = ''] = columns;
  if (kind === 'area') return w(`位置：${x} 为行政区划代码`, `Place: ${x} holds an area code`);
  if (kind === 'cell') return w(`位置：${x} 为 H3 网格`, `Place: ${x} holds an H3 cell`);
  const outside = outsideRefused ? w('，须在本市范围内', ', within the city') : w('', '');
  return w(
    `位置：${x}（东）、${y}（北），${CRS_ZH} ${crs ?? 'WGS84'}${outside.zh}`,
    `Place: ${x} (east) and ${y} (north) in ${crs ?? 'WGS84'}${outside.en}`,
  );
}

function duration(seconds: number): Bilingual {
  if (seconds % 86_400 === 0) return w(`${seconds / 86_400} 天`, `${seconds / 86_400} d`);
  if (seconds % 3600 === 0) return w(`${seconds / 3600} 小时`, `${seconds / 3600} h`);
  if (seconds % 60 === 0) return w(`${seconds / 60} 分钟`, `${seconds / 60} min`);
  return w(`${seconds} 秒`, `${seconds} s`);
}

/** What holds for the whole of a file. */
export function sentences(contract: Contract): readonly Bilingual[] {
  const told: Bilingual[] = [];
  if (contract.key.length > 0) {
    const [zh, en] = [contract.key.join('、'), contract.key.join(' + ')];
    told.push(
      contract.latest
        ? w(`主键：${zh}，以最新一行为准`, `Of each ${en} the newest row counts; one that is known may come again`)
        : w(`主键：${zh}，每个主键一行`, `One row of each ${en}`),
    );
  }
  if (contract.eventTime !== null) {
    const { column, futureS, lateS } = contract.eventTime;
    const future = duration(futureS);
    told.push(w(`事件时间：${column}，最多超前 ${future.zh}`, `When: ${column}, at most ${future.en} ahead of now`));
    if (lateS !== null) {
      const late = duration(lateS);
      told.push(w(`事件发生 ${late.zh} 之后不再接收`, `Rows come at most ${late.en} after their event`));
    }
  }
  if (contract.place !== null) told.push(place(contract.place));
  if (contract.freshS !== null) {
    const fresh = duration(contract.freshS);
    told.push(w(`超过 ${fresh.zh} 没有新数据即视为延迟`, `Late when nothing has come for ${fresh.en}`));
  }
  return told;
}
