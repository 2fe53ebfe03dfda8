-- ---
-- kpi: kpi_without_power
-- title: { en: Customers without power, zh: 停电客户数 }
-- unit: "1"
-- format: "0"
-- refresh: 5s
-- window: 60 minutes on _event_time
-- tests: [ { not_null: [value] } ]
-- owner: energy
-- doc: Customers behind the faults that are open now
-- ---
WITH outages AS (
  SELECT outage_id, last_value(customers ORDER BY _event_time) AS customers, last_value(state ORDER BY _event_time) AS state
  FROM energy.outages
  WHERE _event_time > now() - INTERVAL '60 minutes'
  GROUP BY 1
)
SELECT coalesce(sum(customers), 0) AS value
FROM outages
WHERE state = 'open'
