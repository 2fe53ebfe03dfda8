-- ---
-- alert: alert_fire
-- title: { en: Fire and rescue, zh: 火警与救援 }
-- key: key
-- refresh: live
-- window: 45 minutes on _event_time
-- tests: [ { not_null: [key, category, severity] }, { unique: [key] } ]
-- owner: fire
-- doc: Three or more fire calls near each other within 45 minutes, or people trapped anywhere
-- ---
WITH scenes AS (
  SELECT
    h3_cell_to_parent(_cell, 7) AS scene, min(h3_cell_to_parent(_cell, 8)) AS cell, min(_area) AS area,
    count(*) AS calls, max(trapped) AS trapped, sum(engines) AS engines
  FROM fire.incidents
  WHERE _event_time > now() - INTERVAL '45 minutes' AND kind <> 'false_alarm' AND _area IS NOT NULL
  GROUP BY 1
  HAVING count(*) >= 3 OR max(trapped) > 0
)
SELECT
  'fire-' || h3_cell_to_string(s.scene) AS key,
  'fire' AS category,
  CASE WHEN s.trapped > 0 AND s.calls >= 3 THEN 'Extreme' WHEN s.trapped > 0 OR s.calls >= 5 THEN 'Severe' ELSE 'Moderate' END AS severity,
  'Fire and rescue in ' || coalesce(c.name_en, 'outside') AS title_en,
  coalesce(c.name_zh, '市外') || '火警与救援集中' AS title_zh,
  s.cell AS cell,
  s.area AS area,
  s.calls AS calls,
  s.trapped AS trapped,
  s.engines AS engines
FROM scenes AS s
LEFT JOIN ref.areas AS c ON c.code = substr(s.area, 1, 6) AND c.level = 'county' AND c.valid_to IS NULL
