-- ---
-- kpi: kpi_parking_free
-- title: { en: Free parking places, zh: 空闲泊位比例 }
-- unit: "%"
-- format: "0.0"
-- refresh: 30s
-- window: 10 minutes on _event_time
-- tests: [ { not_null: [value] } ]
-- owner: traffic
-- doc: Free places of the public car parks as a share of all, by the last report of each
-- ---
WITH lots AS (
  SELECT lot_id, last_value(free ORDER BY _event_time) AS free, max(capacity) AS capacity
  FROM traffic.parking
  WHERE _event_time > now() - INTERVAL '10 minutes'
  GROUP BY 1
)
SELECT coalesce(100.0 * sum(least(free, capacity)) / sum(capacity), 0) AS value
FROM lots
