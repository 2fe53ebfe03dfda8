-- ---
-- alert: alert_signals
-- title: { en: Traffic lights out, zh: 信号灯故障 }
-- key: key
-- refresh: live
-- window: 10 minutes on _event_time
-- tests: [ { not_null: [key, category, severity] }, { unique: [key] } ]
-- owner: traffic
-- doc: Junctions whose lights are dark in their last report; three or more in a neighbourhood are graver
-- ---
WITH lights AS (
  SELECT signal_id, min(_cell) AS cell, min(_area) AS area, last_value(state ORDER BY _event_time) AS state
  FROM traffic.signals
  WHERE _event_time > now() - INTERVAL '10 minutes'
  GROUP BY 1
), dark AS (
  SELECT h3_cell_to_parent(cell, 7) AS place, min(h3_cell_to_parent(cell, 8)) AS cell, min(area) AS area, count(*) AS junctions
  FROM lights
  WHERE state = 'dark' AND area IS NOT NULL
  GROUP BY 1
)
SELECT
  'signals-' || h3_cell_to_string(s.place) AS key,
  'signal_failure' AS category,
  CASE WHEN s.junctions >= 3 THEN 'Moderate' ELSE 'Minor' END AS severity,
  'Traffic lights out in ' || coalesce(c.name_en, 'outside') AS title_en,
  coalesce(c.name_zh, '市外') || '交通信号灯故障' AS title_zh,
  s.cell AS cell,
  s.area AS area,
  s.junctions AS junctions
FROM dark AS s
LEFT JOIN ref.areas AS c ON c.code = substr(s.area, 1, 6) AND c.level = 'county' AND c.valid_to IS NULL
