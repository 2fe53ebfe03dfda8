-- ---
-- alert: alert_premises
-- title: { en: Hazardous premises, zh: 危险源异常 }
-- key: key
-- refresh: live
-- window: 5 minutes on _event_time
-- tests: [ { not_null: [key, category, severity] }, { unique: [key] } ]
-- owner: emergency
-- doc: Tanks that left their safe range, 1.6 MPa or 60 °C; both at once is extreme
-- ---
WITH tanks AS (
  SELECT
    premises_id, min(_cell) AS cell, min(_area) AS area,
    max(pressure_mpa) AS pressure_mpa, max(temperature_c) AS temperature_c, max(persons) AS persons
  FROM emergency.hazardous_premises
  WHERE _event_time > now() - INTERVAL '5 minutes'
  GROUP BY 1
  HAVING max(pressure_mpa) >= 1.6 OR max(temperature_c) >= 60
)
SELECT
  'premises-' || s.premises_id AS key,
  'hazardous_premises' AS category,
  CASE WHEN s.pressure_mpa >= 1.6 AND s.temperature_c >= 60 THEN 'Extreme' ELSE 'Severe' END AS severity,
  'Tank out of its safe range at ' || s.premises_id || ', ' || coalesce(c.name_en, 'outside') AS title_en,
  coalesce(c.name_zh, '市外') || '危险源 ' || s.premises_id || ' 参数异常' AS title_zh,
  s.cell AS cell,
  s.area AS area,
  round(CAST(s.pressure_mpa AS DOUBLE), 1) AS pressure_mpa,
  CAST(round(s.temperature_c) AS BIGINT) AS temperature_c,
  s.persons AS persons
FROM tanks AS s
LEFT JOIN ref.areas AS c ON c.code = substr(s.area, 1, 6) AND c.level = 'county' AND c.valid_to IS NULL
