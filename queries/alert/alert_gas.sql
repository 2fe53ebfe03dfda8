-- ---
-- alert: alert_gas
-- title: { en: Gas leak, zh: 燃气泄漏 }
-- key: key
-- refresh: live
-- window: 3 minutes on _event_time
-- tests: [ { not_null: [key, category, severity] }, { unique: [key] } ]
-- owner: gas
-- doc: Detectors that read 20 % of the lower explosive limit or more within the last three minutes; 40 % is extreme
-- ---
WITH detectors AS (
  SELECT sensor_id, min(_cell) AS cell, min(_area) AS area, max(lel_pct) AS lel_pct
  FROM gas.leaks
  WHERE _event_time > now() - INTERVAL '3 minutes'
  GROUP BY 1
  HAVING max(lel_pct) >= 20
)
SELECT
  'gas-' || s.sensor_id AS key,
  'gas_leak' AS category,
  CASE WHEN s.lel_pct >= 40 THEN 'Extreme' ELSE 'Severe' END AS severity,
  'Gas leak at detector ' || s.sensor_id || ', ' || coalesce(c.name_en, 'outside') AS title_en,
  coalesce(c.name_zh, '市外') || '燃气探测器 ' || s.sensor_id || ' 报警' AS title_zh,
  s.cell AS cell,
  s.area AS area,
  CAST(round(s.lel_pct / 5) * 5 AS BIGINT) AS lel_pct
FROM detectors AS s
LEFT JOIN ref.areas AS c ON c.code = substr(s.area, 1, 6) AND c.level = 'county' AND c.valid_to IS NULL
