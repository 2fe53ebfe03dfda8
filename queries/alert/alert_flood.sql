-- ---
-- alert: alert_flood
-- title: { en: Flooding, zh: 城市内涝 }
-- key: key
-- refresh: live
-- window: 10 minutes on _event_time
-- tests: [ { not_null: [key, category, severity] }, { unique: [key] } ]
-- owner: urban
-- doc: Neighbourhoods where two or more manholes hold 80 cm of water; a drowned cover counts at 150 cm alone
-- ---
WITH covers AS (
  SELECT cover_id, min(_cell) AS cell, min(_area) AS area, max(water_cm) AS water_cm
  FROM urban.manholes
  WHERE _event_time > now() - INTERVAL '10 minutes'
  GROUP BY 1
), places AS (
  SELECT
    h3_cell_to_parent(cell, 7) AS place, min(h3_cell_to_parent(cell, 8)) AS cell, min(area) AS area,
    count(*) AS covers, max(water_cm) AS water_cm
  FROM covers
  WHERE water_cm >= 80 AND area IS NOT NULL
  GROUP BY 1
  HAVING count(*) >= 2 OR max(water_cm) >= 150
)
SELECT
  'flood-' || h3_cell_to_string(s.place) AS key,
  'flood' AS category,
  CASE WHEN s.water_cm >= 200 THEN 'Extreme' WHEN s.water_cm >= 150 OR s.covers >= 4 THEN 'Severe' ELSE 'Moderate' END AS severity,
  'Flooded streets in ' || coalesce(c.name_en, 'outside') AS title_en,
  coalesce(c.name_zh, '市外') || '路面积水内涝' AS title_zh,
  s.cell AS cell,
  s.area AS area,
  s.covers AS covers,
  CAST(round(s.water_cm / 10) * 10 AS BIGINT) AS water_cm
FROM places AS s
LEFT JOIN ref.areas AS c ON c.code = substr(s.area, 1, 6) AND c.level = 'county' AND c.valid_to IS NULL
