-- ---
-- layer: map
-- title: { en: The city at one glance, zh: 城市一张图 }
-- key: cell
-- resolution: 8
-- refresh: live
-- columns:
--   risk: { title: { en: Risk, zh: 风险指数 }, unit: "1", range: [0, 30], scale: 0.01 }
--   level: { title: { en: Level, zh: 风险等级 }, unit: "1", range: [1, 4] }
--   speed_kmh: { title: { en: Mean speed, zh: 平均车速 }, unit: km/h, range: [0, 120], scale: 0.01 }
--   incidents: { title: { en: Incidents, zh: 警情 }, unit: "1", range: [0, 50] }
--   fires: { title: { en: Fire and rescue calls, zh: 火警与救援 }, unit: "1", range: [0, 20] }
--   pm25: { title: { en: Fine particles PM2.5, zh: 细颗粒物 PM2.5 }, unit: ug/m3, range: [0, 250], scale: 0.01 }
--   noise_db: { title: { en: Noise, zh: 噪声 }, unit: dB(A), range: [30, 110], scale: 0.01 }
--   requests: { title: { en: Hotline requests, zh: 热线诉求 }, unit: "1", range: [0, 100] }
--   reports: { title: { en: Grid reports, zh: 网格上报 }, unit: "1", range: [0, 100] }
--   crowd: { title: { en: People present, zh: 在场人数 }, unit: "1", range: [0, 100000] }
-- tests: [ { not_null: [cell, risk, level] }, { unique: [cell] }, { range: { risk: [0, 100], level: [1, 4] } } ]
-- owner: command
-- doc: "The one map layer: every theme of a cell side by side, with a weighted risk from 0 to 100 (level 1 calm, 2 watch, 3 act, 4 grave)"
-- ---
WITH weights AS (
  SELECT
    max(CASE WHEN theme = 'traffic' THEN weight / full_at END) AS w_traffic,
    max(CASE WHEN theme = 'traffic' THEN full_at END) AS f_traffic,
    max(CASE WHEN theme = 'incidents' THEN weight / full_at END) AS w_incidents,
    max(CASE WHEN theme = 'incidents' THEN full_at END) AS f_incidents,
    max(CASE WHEN theme = 'fires' THEN weight / full_at END) AS w_fires,
    max(CASE WHEN theme = 'fires' THEN full_at END) AS f_fires,
    max(CASE WHEN theme = 'air' THEN weight / full_at END) AS w_air,
    max(CASE WHEN theme = 'air' THEN full_at END) AS f_air,
    max(CASE WHEN theme = 'services' THEN weight / full_at END) AS w_services,
    max(CASE WHEN theme = 'services' THEN full_at END) AS f_services,
    max(CASE WHEN theme = 'crowd' THEN weight / full_at END) AS w_crowd,
    max(CASE WHEN theme = 'crowd' THEN full_at END) AS f_crowd
  FROM risk_weights
), cells AS (
  SELECT
    coalesce(t.cell, s.cell, e.cell, v.cell) AS cell,
    t.speed_kmh, t.slow_pct, s.incidents, s.gravity, s.fires, s.crowd, e.pm25, e.noise_db, v.requests, v.urgent, v.reports
  FROM traffic AS t
  FULL JOIN safety AS s ON s.cell = t.cell
  FULL JOIN environment AS e ON e.cell = coalesce(t.cell, s.cell)
  FULL JOIN services AS v ON v.cell = coalesce(t.cell, s.cell, e.cell)
), scored AS (
  SELECT
    c.*,
    w.w_traffic * least(coalesce(c.slow_pct, 0), w.f_traffic)
      + w.w_incidents * least(coalesce(c.gravity, 0), w.f_incidents)
      + w.w_fires * least(coalesce(c.fires, 0), w.f_fires)
      + w.w_air * least(coalesce(c.pm25, 0), w.f_air)
      + w.w_services * least(coalesce(c.requests, 0) + coalesce(c.urgent, 0) + coalesce(c.reports, 0), w.f_services)
      + w.w_crowd * least(coalesce(c.crowd, 0), w.f_crowd) AS risk
  FROM cells AS c
  CROSS JOIN weights AS w
)
SELECT
  cell,
  risk,
  CASE WHEN risk >= 45 THEN 4 WHEN risk >= 30 THEN 3 WHEN risk >= 15 THEN 2 ELSE 1 END AS level,
  speed_kmh, incidents, fires, pm25, noise_db, requests, reports, crowd
FROM scored
