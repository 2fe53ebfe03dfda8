-- ---
-- kpi: kpi_requests_hour
-- title: { en: Hotline requests in the last hour, zh: 近一小时热线诉求 }
-- unit: "1"
-- format: "0"
-- refresh: 5s
-- window: 60 minutes on _event_time
-- tests: [ { not_null: [value] } ]
-- owner: hotline
-- doc: Requests to 12345 of the last hour
-- ---
SELECT count(*) AS value
FROM hotline.requests
WHERE _event_time > now() - INTERVAL '60 minutes'
