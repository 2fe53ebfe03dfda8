/** Every word that the page itself says, in both languages. What the city says (titles, names) comes by the stream. */
import type { Bilingual } from '../protocol/read';

export type LanguageMode = 'both' | 'zh' | 'en';
export const LANGUAGE_MODES: readonly LanguageMode[] = ['both', 'zh', 'en'];

const w = (zh: string, en: string): Bilingual => ({ zh, en });

export const WORDS = {
  centre: w('城市融合指挥中心', 'City Command Centre'),
  synthetic: w('合成数据', 'SYNTHETIC DATA'),
  open: w('未设访问控制', 'OPEN ACCESS'),
  connecting: w('连接中', 'Connecting'),
  live: w('实时', 'Live'),
  lost: w('连接中断', 'Link lost'),
  retryIn: w('秒后重连', 's to retry'),
  dataAge: w('数据时延', 'Data age'),
  stale: w('数据延迟', 'DATA DELAYED'),
  feeds: w('数据源', 'Feeds'),
  feedsLive: w('正常', 'live'),
  feedsStale: w('延迟', 'stale'),
  rows: w('行', 'rows'),
  quarantined: w('隔离', 'quarantined'),
  never: w('未到达', 'never'),
  kpis: w('核心指标', 'Key indicators'),
  ranking: w('区县排行', 'Districts ranked'),
  mean: w('均值', 'mean'),
  alerts: w('事件告警', 'Alerts'),
  orders: w('指令处置', 'Orders'),
  openCount: w('未解除', 'open'),
  cleared: w('已解除', 'cleared'),
  dispatched: w('已派发', 'dispatched'),
  accepted: w('已接受', 'accepted'),
  closed: w('已办结', 'closed'),
  cancelled: w('已取消', 'cancelled'),
  overdue: w('已超时', 'overdue'),
  accept: w('接受', 'Accept'),
  close: w('办结', 'Close'),
  back: w('返回', 'Back'),
  note: w('处置说明', 'What was done'),
  officer: w('值班员', 'Officer'),
  officerHint: w('姓名或工号', 'Name or number'),
  officerAsked: w('请先填写值班员，再接受或办结指令', 'Enter the officer first, then accept or close'),
  signIn: w('本城市需要访问令牌', 'This city asks for a token'),
  token: w('访问令牌', 'Token'),
  enter: w('进入', 'Enter'),
  more: w('条', 'more'),
  refused: w('操作未成功', 'Not done'),
  noAlerts: w('当前无告警', 'No alerts'),
  noOrders: w('当前无指令', 'No orders'),
  noKpis: w('尚无指标', 'No indicators yet'),
  noFeeds: w('尚无数据源', 'No feeds yet'),
  noCells: w('图层尚无数据', 'This layer has no cells yet'),
  noAreas: w('行政区划未能加载', 'The areas could not be loaded'),
  noMap: w('本机浏览器不支持 WebGL2，无法绘制地图', 'This browser has no WebGL2: the map cannot be drawn'),
  loading: w('加载中', 'Loading'),
  layers: w('图层', 'Layers'),
  themes: w('专题', 'Themes'),
  legend: w('图例', 'Legend'),
  dataTime: w('数据时间', 'data of'),
  cells: w('网格', 'cells'),
  cell: w('网格单元', 'Cell'),
  noValue: w('无数据', 'no data'),
  wholeCity: w('全市', 'Whole city'),
  pause: w('暂停轮播', 'Pause rotation'),
  play: w('继续轮播', 'Resume rotation'),
  language: w('语言', 'Language'),
  both: w('中/EN', 'zh/EN'),
  zh: w('中文', '中文'),
  en: w('EN', 'EN'),
  alert: w('告警', 'alert'),
  order: w('指令', 'order'),
  quiet: w('一切平稳', 'All quiet'),
} as const;

/** One line of plain text in a mode: for labels that only machines and screen readers see. */
export function plain(words: Bilingual, mode: LanguageMode): string {
  if (mode === 'zh') return words.zh;
  if (mode === 'en' || words.zh === words.en) return words.en;
  return `${words.zh} ${words.en}`;
}
