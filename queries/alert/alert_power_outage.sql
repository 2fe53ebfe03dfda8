-- ---
-- alert: alert_power_outage
-- title: { en: Power outage, zh: 停电 }
-- key: key
-- refresh: live
-- window: 60 minutes on _event_time
-- tests: [ { not_null: [key, category, severity] }, { unique: [key] } ]
-- owner: energy
-- doc: Faults on the network that are still open with 1,000 customers or more
-- ---
WITH outages AS (
  SELECT
    outage_id, min(_cell) AS cell, min(_area) AS area,
    last_value(customers ORDER BY _event_time) AS customers, last_value(state ORDER BY _event_time) AS state
  FROM energy.outages
  WHERE _event_time > now() - INTERVAL '60 minutes'
  GROUP BY 1
), open_outages AS (
  SELECT * FROM outages WHERE state = 'open' AND customers >= 1000
)
SELECT
  'power-' || s.outage_id AS key,
  'power_outage' AS category,
  CASE WHEN s.customers >= 50000 THEN 'Extreme' WHEN s.customers >= 10000 THEN 'Severe' ELSE 'Moderate' END AS severity,
  'Power outage in ' || coalesce(c.name_en, 'outside') AS title_en,
  coalesce(c.name_zh, '市外') || '供电中断' AS title_zh,
  s.cell AS cell,
  s.area AS area,
  s.outage_id AS outage_id,
  s.customers AS customers
FROM open_outages AS s
LEFT JOIN ref.areas AS c ON c.code = substr(s.area, 1, 6) AND c.level = 'county' AND c.valid_to IS NULL
