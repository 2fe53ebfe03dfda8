-- ---
-- kpi: kpi_transit_punctual
-- title: { en: Punctual public transport, zh: 公交准点率 }
-- unit: "%"
-- format: "0.0"
-- refresh: 30s
-- window: 15 minutes on _event_time
-- tests: [ { not_null: [value] } ]
-- owner: transit
-- doc: Share of the reports of buses and trains that are at most three minutes late
-- ---
SELECT coalesce(100.0 * avg(CASE WHEN delay_s <= 180 THEN 1.0 ELSE 0.0 END), 0) AS value
FROM transit.vehicles
WHERE _event_time > now() - INTERVAL '15 minutes'
