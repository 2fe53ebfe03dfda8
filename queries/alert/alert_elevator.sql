-- ---
-- alert: alert_elevator
-- title: { en: Trapped in an elevator, zh: 电梯困人 }
-- key: key
-- refresh: live
-- window: 30 minutes on _event_time
-- tests: [ { not_null: [key, category, severity] }, { unique: [key] } ]
-- owner: housing
-- doc: Elevators whose last report says that people are inside a stopped cabin
-- ---
WITH elevators AS (
  SELECT
    elevator_id, min(_cell) AS cell, min(_area) AS area,
    last_value(trapped ORDER BY _event_time) AS trapped, last_value(state ORDER BY _event_time) AS state
  FROM housing.elevators
  WHERE _event_time > now() - INTERVAL '30 minutes'
  GROUP BY 1
), stuck AS (
  SELECT * FROM elevators WHERE trapped > 0 AND state <> 'running'
)
SELECT
  'elevator-' || s.elevator_id AS key,
  'elevator' AS category,
  CASE WHEN s.trapped >= 6 THEN 'Severe' ELSE 'Moderate' END AS severity,
  'People trapped in elevator ' || s.elevator_id || ', ' || coalesce(c.name_en, 'outside') AS title_en,
  coalesce(c.name_zh, '市外') || '电梯 ' || s.elevator_id || ' 困人' AS title_zh,
  s.cell AS cell,
  s.area AS area,
  s.trapped AS trapped
FROM stuck AS s
LEFT JOIN ref.areas AS c ON c.code = substr(s.area, 1, 6) AND c.level = 'county' AND c.valid_to IS NULL
