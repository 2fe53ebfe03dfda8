-- ---
-- alert: alert_water_outage
-- title: { en: Water outage, zh: 停水 }
-- key: key
-- refresh: live
-- window: 60 minutes on _event_time
-- tests: [ { not_null: [key, category, severity] }, { unique: [key] } ]
-- owner: water
-- doc: Mains failures that are still open with 500 customers or more, beside the hotline requests about water nearby
-- ---
WITH outages AS (
  SELECT
    outage_id, min(_cell) AS cell, min(_area) AS area,
    last_value(customers ORDER BY _event_time) AS customers, last_value(state ORDER BY _event_time) AS state
  FROM water.outages
  WHERE _event_time > now() - INTERVAL '60 minutes'
  GROUP BY 1
), complaints AS (
  SELECT h3_cell_to_parent(_cell, 6) AS district, count(*) AS requests
  FROM hotline.requests
  WHERE _event_time > now() - INTERVAL '60 minutes' AND category = 'water'
  GROUP BY 1
), open_outages AS (
  SELECT o.outage_id, o.cell, o.area, o.customers, coalesce(k.requests, 0) AS requests
  FROM outages AS o
  LEFT JOIN complaints AS k ON k.district = h3_cell_to_parent(o.cell, 6)
  WHERE o.state = 'open' AND o.customers >= 500
)
SELECT
  'water-' || s.outage_id AS key,
  'water_outage' AS category,
  CASE WHEN s.customers >= 20000 THEN 'Severe' WHEN s.customers >= 5000 OR s.requests >= 30 THEN 'Moderate' ELSE 'Minor' END AS severity,
  'Water outage in ' || coalesce(c.name_en, 'outside') AS title_en,
  coalesce(c.name_zh, '市外') || '供水中断' AS title_zh,
  s.cell AS cell,
  s.area AS area,
  s.outage_id AS outage_id,
  s.customers AS customers,
  s.requests AS requests
FROM open_outages AS s
LEFT JOIN ref.areas AS c ON c.code = substr(s.area, 1, 6) AND c.level = 'county' AND c.valid_to IS NULL
