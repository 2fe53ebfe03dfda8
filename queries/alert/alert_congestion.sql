-- ---
-- alert: alert_congestion
-- title: { en: Congestion, zh: 交通拥堵 }
-- key: key
-- refresh: live
-- window: 5 minutes on _event_time
-- tests: [ { not_null: [key, category, severity] }, { unique: [key] } ]
-- owner: traffic
-- doc: Cells where at least 40 readings of five minutes average below 14 km/h
-- ---
WITH slow AS (
  SELECT h3_cell_to_parent(_cell, 8) AS cell, min(_area) AS area, avg(speed_kmh) AS speed_kmh, count(*) AS readings
  FROM traffic.speed
  WHERE _event_time > now() - INTERVAL '5 minutes' AND _area IS NOT NULL
  GROUP BY 1
  HAVING count(*) >= 40 AND avg(speed_kmh) < 14
)
SELECT
  'congestion-' || h3_cell_to_string(s.cell) AS key,
  'congestion' AS category,
  CASE WHEN s.speed_kmh < 6 THEN 'Severe' WHEN s.speed_kmh < 10 THEN 'Moderate' ELSE 'Minor' END AS severity,
  'Congestion in ' || coalesce(c.name_en, 'the city') AS title_en,
  coalesce(c.name_zh, '市内') || '道路严重拥堵' AS title_zh,
  s.cell AS cell,
  s.area AS area,
  CAST(round(s.speed_kmh / 5) * 5 AS BIGINT) AS speed_kmh
FROM slow AS s
LEFT JOIN ref.areas AS c ON c.code = substr(s.area, 1, 6) AND c.level = 'county' AND c.valid_to IS NULL
