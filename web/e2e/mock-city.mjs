// A synthetic city for tests of the page: areas by a warped Voronoi diagram, fields that move over its cells, alerts and orders.
// Every figure follows from the tick alone, so two runs show the same.
import { cellToLatLng, polygonToCells } from 'h3-js';

const CENTRE = [120.9, 32.05];
const SEEDS = [
  ['320601', '江湾区', 'Jiangwan', 0.02, -0.05],
  ['320602', '通川区', 'Tongchuan', 0.3, 0.02],
  ['320603', '滨海新区', 'Binhai', 0.66, -0.16],
  ['320604', '如阳县', 'Ruyang', -0.42, 0.3],
  ['320605', '安东县', 'Andong', -0.32, 0.62],
  ['320606', '启明市', 'Qiming', 0.82, -0.42],
  ['320607', '海陵区', 'Hailing', 0.28, -0.34],
  ['320608', '石港县', 'Shigang', 0.12, 0.38],
  ['320609', '掘港县', 'Juegang', 0.5, 0.42],
  ['320610', '苏锡区', 'Suxi', -0.38, -0.08],
];
const OUTLINE = [
  [-0.75, 0.1],
  [-0.62, 0.72],
  [-0.3, 0.95],
  [0.1, 0.78],
  [0.62, 0.72],
  [0.92, 0.3],
  [1.08, -0.2],
  [1.12, -0.62],
  [0.7, -0.66],
  [0.25, -0.55],
  [-0.2, -0.42],
  [-0.62, -0.3],
]; // prettier-ignore

/** The part of a polygon that is nearer to `a` than to `b`. */
function nearer(polygon, a, b) {
  const side = ([x, y]) => (x - (a[0] + b[0]) / 2) * (a[0] - b[0]) + (y - (a[1] + b[1]) / 2) * (a[1] - b[1]);
  return polygon.flatMap((p, i) => {
    const q = polygon[(i + 1) % polygon.length];
    const [sp, sq] = [side(p), side(q)];
    const cut = [p[0] + ((q[0] - p[0]) * sp) / (sp - sq), p[1] + ((q[1] - p[1]) * sp) / (sp - sq)];
    if (sp >= 0) return sq >= 0 ? [p] : [p, cut];
    return sq >= 0 ? [cut] : [];
  });
}

/** Bends the plane, so that straight borders become rivers and hills; neighbours stay neighbours. */
function warp([x, y]) {
  const dx = 0.028 * Math.sin(9 * y + 4 * x) + 0.012 * Math.sin(31 * y + 13 * x) + 0.005 * Math.sin(83 * y);
  const dy = 0.026 * Math.sin(8 * x - 3 * y) + 0.012 * Math.sin(29 * x + 11 * y) + 0.005 * Math.sin(79 * x);
  return [CENTRE[0] + (x + dx) * 0.86, CENTRE[1] + (y + dy) * 0.72];
}

function ring(polygon) {
  const points = polygon.flatMap((p, i) => {
    const q = polygon[(i + 1) % polygon.length];
    const steps = Math.max(2, Math.ceil(Math.hypot(q[0] - p[0], q[1] - p[1]) / 0.012));
    return Array.from({ length: steps }, (_, k) =>
      warp([p[0] + ((q[0] - p[0]) * k) / steps, p[1] + ((q[1] - p[1]) * k) / steps]),
    );
  });
  return [...points, points[0]];
}

const voronoi = (seeds, outline) =>
  seeds.map((seed) =>
    seeds.filter((other) => other !== seed).reduce((cut, other) => nearer(cut, seed, other), outline),
  );

const area = (code, level, parent, zh, en, polygon) => ({
  type: 'Feature',
  properties: { code, level, parent, name_en: en, name_zh: zh },
  geometry: { type: 'Polygon', coordinates: [ring(polygon)] },
});

const countyPolygons = voronoi(
  SEEDS.map(([, , , x, y]) => [x, y]),
  OUTLINE,
);

const counties = SEEDS.map(([code, zh, en], i) => area(code, 'county', '3206', zh, en, countyPolygons[i]));

const TOWN_NAMES = [
  ['城东镇', 'Chengdong'],
  ['新河镇', 'Xinhe'],
  ['白蒲镇', 'Baipu'],
  ['石庄镇', 'Shizhuang'],
  ['金沙街道', 'Jinsha'],
  ['兴仁镇', 'Xingren'],
  ['曹埠镇', 'Caobu'],
  ['北坎镇', 'Beikan'],
]; // prettier-ignore

const towns = SEEDS.flatMap(([code, , , x, y], i) => {
  const seeds = TOWN_NAMES.map((_, k) => [
    x + 0.17 * Math.sin(2.4 * k + i) * Math.sqrt(k / 8 + 0.1),
    y + 0.17 * Math.cos(2.4 * k + i) * Math.sqrt(k / 8 + 0.1),
  ]);
  return voronoi(seeds, countyPolygons[i]).flatMap((polygon, k) =>
    polygon.length < 3 ? [] : [area(`${code}10${k}`, 'town', code, ...TOWN_NAMES[k], polygon)],
  );
});

export const areas = {
  county: { type: 'FeatureCollection', features: counties },
  town: { type: 'FeatureCollection', features: towns },
};

export const columns = [
  { name: 'risk', title: { en: 'Fused risk', zh: '综合风险' }, unit: '1', range: [0, 100], type: 'q16', scale: 0.01 },
  {
    name: 'speed_kmh',
    title: { en: 'Mean speed', zh: '平均车速' },
    unit: 'km/h',
    range: [0, 80],
    type: 'q16',
    scale: 0.01,
  },
  { name: 'pm25', title: { en: 'PM2.5', zh: 'PM2.5' }, unit: 'µg/m³', range: [0, 150], type: 'f32' },
  {
    name: 'water_mm',
    title: { en: 'Standing water', zh: '路面积水' },
    unit: 'mm',
    range: [0, 400],
    type: 'q16',
    scale: 0.1,
  },
  { name: 'level', title: { en: 'Warning level', zh: '预警等级' }, unit: '1', range: [0, 4], type: 'u8' },
];

export const schema = columns.map(({ name, type, scale, unit }) => ({
  name,
  type,
  unit,
  ...(scale ? { scale, offset: 0 } : {}),
}));

export const cells = counties.flatMap((f) => polygonToCells(f.geometry.coordinates, 7, true));
const places = cells.map((cell) => {
  const [lat, lng] = cellToLatLng(cell);
  return [lng, lat];
});

const bump = (lng, lat, x, y, width) => Math.exp(-((lng - x) ** 2 + (lat - y) ** 2) / width ** 2);

/** The values of a cell at a tick, in the order of `columns`; null where there is none. */
export function valuesAt(ordinal, tick) {
  const [lng, lat] = places[ordinal];
  const t = tick / 40;
  const town = Math.max(
    ...counties.map((_, i) => bump(lng, lat, ...warp([SEEDS[i][3], SEEDS[i][4]]), i === 0 ? 0.16 : 0.085)),
  );
  const front = bump(lng, lat, 120.7 + 0.45 * Math.sin(t), 32.15 + 0.25 * Math.cos(t * 0.7), 0.22);
  const grain = 0.5 + 0.5 * Math.sin(lng * 91 + lat * 57 + Math.sin(ordinal) * 1.3 + t);
  const risk = Math.min(100, 8 + 52 * town + 46 * front + 12 * grain);
  const speed = town < 0.05 && grain > 0.6 ? null : Math.max(6, 68 - 46 * town - 18 * front - 8 * grain);
  const water = front < 0.1 ? 0 : 330 * front * (0.6 + 0.4 * grain);
  const level = risk > 85 ? 4 : risk > 70 ? 3 : risk > 55 ? 2 : risk > 40 ? 1 : 0;
  return [risk, speed, 22 + 70 * town + 26 * grain, water, level];
}

const THEMES = [
  ['Extreme', '多源融合风险超限', 'Fused risk above limit', '应急指挥中心', 'Emergency command', 'fused'],
  [
    'Severe',
    '下穿立交积水超过 300 mm',
    'Underpass water above 300 mm',
    '水务局抢排队',
    'Water bureau, pumping team',
    'flood',
  ],
  ['Severe', '危化品车辆偏离路线', 'Hazardous goods vehicle off its route', '交警支队', 'Traffic police', 'traffic'],
  [
    'Moderate',
    '主干道持续拥堵 20 分钟',
    'Arterial congested for 20 minutes',
    '交警一大队',
    'Traffic police, 1st squad',
    'traffic',
  ],
  [
    'Moderate',
    'PM2.5 小时均值超过 115 µg/m³',
    'PM2.5 hourly mean above 115 µg/m³',
    '生态环境局',
    'Environment bureau',
    'air',
  ],
  ['Minor', '公交线路准点率低于 80%', 'Bus punctuality below 80 %', '公交集团调度', 'Bus dispatch', 'transit'],
  ['Minor', '12345 热线来电突增', 'Surge of calls to the 12345 hotline', '热线受理中心', 'Hotline centre', 'hotline'],
]; // prettier-ignore

/** The n-th alert of the city's life. */
export function alertAt(n, nowUs) {
  const [severity, zh, en, , , category] = THEMES[(n * 3) % THEMES.length];
  const county = counties[(n * 7) % counties.length].properties;
  const ordinal = (n * 7919) % cells.length;
  const [lng, lat] = places[ordinal];
  return {
    id: `al-${8800 + n}`,
    key: `${category}-${n}`,
    query: category,
    category,
    severity,
    state: 'open',
    title: { en: `${county.name_en}: ${en}`, zh: `${county.name_zh}${zh}` },
    detail: { value: 80 + (n % 17) },
    cell: cells[ordinal],
    area: county.code,
    lng,
    lat,
    raised_us: nowUs,
    updated_us: nowUs,
    cleared_us: null,
    order: null,
  }; // prettier-ignore
}

export function orderFor(alert, n, nowUs) {
  const [, , , zh, en] = THEMES[(n * 3) % THEMES.length];
  return {
    id: `or-${2200 + n}`,
    alert: alert.id,
    category: alert.category,
    severity: alert.severity,
    unit: `u-${n}`,
    unit_name: { en, zh },
    area: alert.area,
    title: alert.title,
    state: 'dispatched',
    lng: alert.lng,
    lat: alert.lat,
    dispatched_us: nowUs,
    accepted_us: null,
    closed_us: null,
    due_us: nowUs + (6 + (n % 5) * 4) * 60e6,
    by: null,
    note: null,
  }; // prettier-ignore
}

const FEEDS = [
  ['traffic.speed', '道路车速', 'Road speed'],
  ['traffic.gps', '车辆定位', 'Vehicle positions'],
  ['police.incidents', '警情', 'Incidents'],
  ['fire.calls', '火警', 'Fire calls'],
  ['environment.air', '空气质量', 'Air quality'],
  ['water.levels', '河道水位', 'River levels'],
  ['water.underpass', '下穿积水', 'Underpass water'],
  ['weather.radar', '雷达降水', 'Radar rain'],
  ['weather.stations', '气象站', 'Weather stations'],
  ['hotline.calls', '热线工单', 'Hotline tickets'],
  ['transit.bus', '公交到站', 'Bus arrivals'],
  ['health.emergency', '急救出车', 'Ambulances'],
  ['power.outage', '停电事件', 'Power outages'],
  ['gas.pressure', '燃气压力', 'Gas pressure'],
]; // prettier-ignore

export function feedsAt(tick, nowUs) {
  return FEEDS.map(([feed, zh, en], i) => {
    const late = i === 8;
    const landed = nowUs - (late ? 760e6 : ((tick + i) % (2 + i)) * 1e6);
    return {
      feed,
      department: feed.split('.')[0],
      title: { en, zh },
      rows: (i + 1) ** 2 * 48_211 + tick * (i + 1) * 37,
      quarantined: i % 4 === 2 ? 3 + i + Math.floor(tick / 20) : 0,
      last_event_us: landed - 2e6,
      last_landed_us: landed,
      fresh_s: 300,
      stale: late,
    }; // prettier-ignore
  });
}

export function kpisAt(tick, nowUs, openAlerts, openOrders) {
  const wave = (k, base, swing) =>
    base + swing * Math.sin((tick + k * 9) / 14) + 0.3 * swing * Math.sin((tick + k) / 3.1);
  const series = (k, base, swing) =>
    Array.from({ length: 40 }, (_, i) => [
      nowUs - (39 - i) * 60e6,
      base + swing * Math.sin((tick + i + k * 9 - 39) / 7) + 0.3 * swing * Math.sin((i + k) / 1.7),
    ]);
  const kpi = (name, zh, en, unit, format, value, points) => ({
    name,
    title: { en, zh },
    unit,
    format,
    value,
    series: points,
    as_of_us: nowUs,
  });
  return [
    kpi('open_alerts', '未解除告警', 'Open alerts', '1', '0', openAlerts, null),
    kpi('open_orders', '在办指令', 'Active orders', '1', '0', openOrders, null),
    kpi('mean_speed', '全市平均车速', 'City mean speed', 'km/h', '0.0', wave(2, 38, 4), series(2, 38, 4)),
    kpi('pm25', 'PM2.5 均值', 'PM2.5 mean', 'µg/m³', '0', wave(3, 52, 9), series(3, 52, 9)),
    kpi('calls', '每小时来电', 'Calls an hour', '1', '0', wave(4, 1284, 160), series(4, 1284, 160)),
    kpi('accept_share', '五分钟接单率', 'Accepted in 5 min', '1', '0.0%', wave(5, 0.93, 0.03), series(5, 0.93, 0.03)),
    kpi('water', '积水点位', 'Flooded points', '1', '0', wave(6, 14, 5), series(6, 14, 5)),
    kpi('bus', '公交准点率', 'Bus punctuality', '1', '0%', wave(7, 0.87, 0.05), series(7, 0.87, 0.05)),
  ];
}

export const city = { name: { en: 'Jianghai', zh: '江海市' }, synthetic: true };
