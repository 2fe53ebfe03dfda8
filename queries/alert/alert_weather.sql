-- ---
-- alert: alert_weather
-- title: { en: Weather warning, zh: 气象预警 }
-- key: key
-- refresh: live
-- window: 48 hours on _event_time
-- tests: [ { not_null: [key, category, severity] }, { unique: [key] } ]
-- owner: weather
-- doc: Warnings of the weather office that hold now, one per county and hazard; the last one issued counts
-- ---
WITH warnings AS (
  SELECT
    area_code AS area, kind, min(_cell) AS cell,
    last_value(colour ORDER BY _event_time) AS colour, last_value(expires ORDER BY _event_time) AS expires
  FROM weather.warnings
  WHERE _event_time > now() - INTERVAL '48 hours'
  GROUP BY 1, 2
)
SELECT
  'weather-' || s.area || '-' || s.kind AS key,
  'weather' AS category,
  CASE s.colour WHEN 'red' THEN 'Extreme' WHEN 'orange' THEN 'Severe' WHEN 'yellow' THEN 'Moderate' ELSE 'Minor' END AS severity,
  'Weather warning, ' || s.kind || ' (' || s.colour || '), ' || coalesce(c.name_en, s.area) AS title_en,
  coalesce(c.name_zh, s.area)
    || CASE s.kind WHEN 'rainstorm' THEN '暴雨' WHEN 'gale' THEN '大风' WHEN 'fog' THEN '大雾' WHEN 'heat' THEN '高温'
         WHEN 'thunderstorm' THEN '雷电' WHEN 'cold' THEN '寒潮' ELSE '台风' END
    || CASE s.colour WHEN 'red' THEN '红色' WHEN 'orange' THEN '橙色' WHEN 'yellow' THEN '黄色' ELSE '蓝色' END || '预警' AS title_zh,
  s.cell AS cell,
  s.area AS area,
  s.kind AS kind,
  s.colour AS colour,
  s.expires AS expires
FROM warnings AS s
LEFT JOIN ref.areas AS c ON c.code = substr(s.area, 1, 6) AND c.level = 'county' AND c.valid_to IS NULL
WHERE s.expires > now()
