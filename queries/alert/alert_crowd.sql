-- ---
-- alert: alert_crowd
-- title: { en: Crowd, zh: 人群聚集 }
-- key: key
-- refresh: live
-- window: 5 minutes on _event_time
-- tests: [ { not_null: [key, category, severity] }, { unique: [key] } ]
-- owner: tourism
-- doc: Sights, stations and squares that hold more people than they may; 120 % is grave
-- ---
WITH places AS (
  SELECT
    place_id, min(_cell) AS cell, min(_area) AS area,
    last_value(people ORDER BY _event_time) AS people, max(capacity) AS capacity
  FROM tourism.crowds
  WHERE _event_time > now() - INTERVAL '5 minutes'
  GROUP BY 1
), full_places AS (
  SELECT *, 100.0 * people / capacity AS load_pct FROM places WHERE people > capacity
)
SELECT
  'crowd-' || s.place_id AS key,
  'crowd' AS category,
  CASE WHEN s.load_pct >= 150 THEN 'Extreme' WHEN s.load_pct >= 120 THEN 'Severe' ELSE 'Moderate' END AS severity,
  'Crowd above capacity at ' || s.place_id || ', ' || coalesce(c.name_en, 'outside') AS title_en,
  coalesce(c.name_zh, '市外') || '场所 ' || s.place_id || ' 客流超限' AS title_zh,
  s.cell AS cell,
  s.area AS area,
  CAST(round(s.load_pct / 5) * 5 AS BIGINT) AS load_pct,
  s.capacity AS capacity
FROM full_places AS s
LEFT JOIN ref.areas AS c ON c.code = substr(s.area, 1, 6) AND c.level = 'county' AND c.valid_to IS NULL
