-- ---
-- kpi: kpi_incidents_hour
-- title: { en: Incidents in the last hour, zh: 近一小时警情 }
-- unit: "1"
-- format: "0"
-- refresh: 5s
-- window: 60 minutes on _event_time
-- tests: [ { not_null: [value] } ]
-- owner: police
-- doc: Police incidents of the last hour
-- ---
SELECT count(*) AS value
FROM police.incidents
WHERE _event_time > now() - INTERVAL '60 minutes'
