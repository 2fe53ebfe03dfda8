-- ---
-- layer: traffic
-- title: { en: Traffic, zh: 道路交通 }
-- key: cell
-- resolution: 8
-- refresh: live
-- window: 15 minutes on _event_time
-- columns:
--   speed_kmh: { title: { en: Mean speed, zh: 平均车速 }, unit: km/h, range: [0, 120], scale: 0.01 }
--   slow_pct: { title: { en: Slow readings, zh: 缓行占比 }, unit: "%", range: [0, 100], scale: 0.01 }
--   readings: { title: { en: Readings, zh: 车辆读数 }, unit: "1", range: [0, 20000] }
-- tests: [ { not_null: [cell, speed_kmh] }, { unique: [cell] }, { range: { speed_kmh: [0, 250], slow_pct: [0, 100] } } ]
-- owner: traffic
-- doc: Mean speed of probe vehicles per cell over 15 minutes, and how many of their readings are below 15 km/h
-- ---
SELECT
  h3_cell_to_parent(_cell, 8) AS cell,
  avg(speed_kmh) AS speed_kmh,
  100.0 * avg(CASE WHEN speed_kmh < 15 THEN 1.0 ELSE 0.0 END) AS slow_pct,
  count(*) AS readings
FROM traffic.speed
WHERE _event_time > now() - INTERVAL '15 minutes' AND _area IS NOT NULL
GROUP BY 1
