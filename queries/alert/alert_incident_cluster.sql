-- ---
-- alert: alert_incident_cluster
-- title: { en: Cluster of incidents, zh: 警情聚集 }
-- key: key
-- refresh: live
-- window: 30 minutes on _event_time
-- tests: [ { not_null: [key, category, severity] }, { unique: [key] } ]
-- owner: police
-- doc: Cells with five or more police incidents in half an hour
-- ---
WITH clusters AS (
  SELECT h3_cell_to_parent(_cell, 8) AS cell, min(_area) AS area, count(*) AS incidents, max(severity) AS worst
  FROM police.incidents
  WHERE _event_time > now() - INTERVAL '30 minutes' AND _area IS NOT NULL
  GROUP BY 1
  HAVING count(*) >= 5
)
SELECT
  'cluster-' || h3_cell_to_string(s.cell) AS key,
  'public_order' AS category,
  CASE WHEN s.worst >= 5 THEN 'Severe' WHEN s.incidents >= 8 THEN 'Severe' ELSE 'Moderate' END AS severity,
  'Cluster of incidents in ' || coalesce(c.name_en, 'the city') AS title_en,
  coalesce(c.name_zh, '市内') || '警情聚集' AS title_zh,
  s.cell AS cell,
  s.area AS area,
  s.incidents AS incidents,
  s.worst AS worst_severity
FROM clusters AS s
LEFT JOIN ref.areas AS c ON c.code = substr(s.area, 1, 6) AND c.level = 'county' AND c.valid_to IS NULL
