-- ---
-- layer: environment
-- title: { en: Environment, zh: 生态环境 }
-- key: cell
-- resolution: 8
-- refresh: live
-- window: 30 minutes on _event_time
-- columns:
--   pm25: { title: { en: Fine particles PM2.5, zh: 细颗粒物 PM2.5 }, unit: ug/m3, range: [0, 250], scale: 0.01 }
--   no2: { title: { en: Nitrogen dioxide, zh: 二氧化氮 }, unit: ug/m3, range: [0, 200], scale: 0.01 }
--   noise_db: { title: { en: Noise, zh: 噪声 }, unit: dB(A), range: [30, 110], scale: 0.01 }
-- tests: [ { not_null: [cell] }, { unique: [cell] }, { range: { pm25: [0, 1000], no2: [0, 1000], noise_db: [20, 140] } } ]
-- owner: environment
-- doc: Each air station speaks for the cells within three steps of it, each noise meter for its own cell and the six around it
-- ---
WITH air_stations AS (
  SELECT h3_cell_to_parent(_cell, 8) AS home, avg(pm25) AS pm25, avg(no2) AS no2
  FROM environment.air
  WHERE _event_time > now() - INTERVAL '30 minutes'
  GROUP BY 1
), air_spread AS (
  SELECT unnest(h3_grid_disk(home, 3)) AS cell, pm25, no2 FROM air_stations
), air_cells AS (
  SELECT cell, avg(pm25) AS pm25, avg(no2) AS no2 FROM air_spread GROUP BY 1
), noise_meters AS (
  SELECT h3_cell_to_parent(_cell, 8) AS home, avg(laeq_db) AS noise_db
  FROM environment.noise
  WHERE _event_time > now() - INTERVAL '30 minutes'
  GROUP BY 1
), noise_spread AS (
  SELECT unnest(h3_grid_disk(home, 1)) AS cell, noise_db FROM noise_meters
), noise_cells AS (
  SELECT cell, avg(noise_db) AS noise_db FROM noise_spread GROUP BY 1
)
SELECT coalesce(a.cell, n.cell) AS cell, a.pm25 AS pm25, a.no2 AS no2, n.noise_db AS noise_db
FROM air_cells AS a
FULL JOIN noise_cells AS n ON n.cell = a.cell
