-- ---
-- kpi: kpi_mean_speed
-- title: { en: Mean speed, zh: 平均车速 }
-- unit: "km/h"
-- format: "0.0"
-- refresh: 5s
-- window: 15 minutes on _event_time
-- tests: [ { not_null: [value] } ]
-- owner: traffic
-- doc: Mean of all vehicle readings in the city over 15 minutes
-- ---
SELECT avg(speed_kmh) AS value
FROM traffic.speed
WHERE _event_time > now() - INTERVAL '15 minutes' AND _area IS NOT NULL
