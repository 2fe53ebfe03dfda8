-- ---
-- kpi: kpi_reports_hour
-- title: { en: Grid reports in the last hour, zh: 近一小时网格上报 }
-- unit: "1"
-- format: "0"
-- refresh: 5s
-- window: 60 minutes on _event_time
-- tests: [ { not_null: [value] } ]
-- owner: grid
-- doc: Reports of grid workers of the last hour
-- ---
SELECT count(*) AS value
FROM grid.reports
WHERE _event_time > now() - INTERVAL '60 minutes'
