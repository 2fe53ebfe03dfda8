-- ---
-- kpi: kpi_air_good
-- title: { en: Stations with good air, zh: 空气优良站点比例 }
-- unit: "%"
-- format: "0.0"
-- refresh: 30s
-- window: 30 minutes on _event_time
-- tests: [ { not_null: [value] } ]
-- owner: environment
-- doc: Share of the air stations whose PM2.5 averages at most 75 µg/m³ over half an hour
-- ---
WITH stations AS (
  SELECT station_id, avg(pm25) AS pm25
  FROM environment.air
  WHERE _event_time > now() - INTERVAL '30 minutes'
  GROUP BY 1
)
SELECT coalesce(100.0 * avg(CASE WHEN pm25 <= 75 THEN 1.0 ELSE 0.0 END), 0) AS value
FROM stations
WHERE pm25 IS NOT NULL
