-- ---
-- alert: alert_air
-- title: { en: Air pollution, zh: 空气污染 }
-- key: key
-- refresh: live
-- window: 10 minutes on _event_time
-- tests: [ { not_null: [key, category, severity] }, { unique: [key] } ]
-- owner: environment
-- doc: Stations whose PM2.5 averages above 115 µg/m³ over ten minutes (moderate pollution of HJ 633); 150 and 250 are worse
-- ---
WITH stations AS (
  SELECT station_id, min(_cell) AS cell, min(_area) AS area, avg(pm25) AS pm25
  FROM environment.air
  WHERE _event_time > now() - INTERVAL '10 minutes'
  GROUP BY 1
  HAVING avg(pm25) > 115
)
SELECT
  'air-' || s.station_id AS key,
  'air_pollution' AS category,
  CASE WHEN s.pm25 > 250 THEN 'Extreme' WHEN s.pm25 > 150 THEN 'Severe' ELSE 'Moderate' END AS severity,
  'Air pollution at station ' || s.station_id || ', ' || coalesce(c.name_en, 'outside') AS title_en,
  coalesce(c.name_zh, '市外') || '空气站 ' || s.station_id || ' 细颗粒物超标' AS title_zh,
  s.cell AS cell,
  s.area AS area,
  CAST(round(s.pm25 / 5) * 5 AS BIGINT) AS pm25
FROM stations AS s
LEFT JOIN ref.areas AS c ON c.code = substr(s.area, 1, 6) AND c.level = 'county' AND c.valid_to IS NULL
