-- ---
-- kpi: kpi_speed_trend
-- title: { en: Mean speed by minute, zh: 车速走势 }
-- unit: "km/h"
-- format: "0.0"
-- refresh: 10s
-- window: 60 minutes on _event_time
-- tests: [ { not_null: [value] } ]
-- owner: traffic
-- doc: Mean speed of the city minute by minute over the last hour
-- ---
SELECT date_bin(INTERVAL '1 minute', _event_time) AS t, avg(speed_kmh) AS value
FROM traffic.speed
WHERE _event_time > now() - INTERVAL '60 minutes' AND _area IS NOT NULL
GROUP BY 1
ORDER BY 1
