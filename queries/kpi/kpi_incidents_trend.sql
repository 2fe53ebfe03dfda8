-- ---
-- kpi: kpi_incidents_trend
-- title: { en: Incidents by five minutes, zh: 警情走势 }
-- unit: "1"
-- format: "0"
-- refresh: 10s
-- window: 60 minutes on _event_time
-- tests: [ { not_null: [value] } ]
-- owner: police
-- doc: Police incidents by five minutes over the last hour
-- ---
SELECT date_bin(INTERVAL '5 minutes', _event_time) AS t, count(*) AS value
FROM police.incidents
WHERE _event_time > now() - INTERVAL '60 minutes'
GROUP BY 1
ORDER BY 1
