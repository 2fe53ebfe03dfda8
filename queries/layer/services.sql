-- ---
-- layer: services
-- title: { en: Requests and reports, zh: 诉求与上报 }
-- key: cell
-- resolution: 8
-- refresh: live
-- window: 60 minutes on _event_time
-- columns:
--   requests: { title: { en: Hotline requests, zh: 热线诉求 }, unit: "1", range: [0, 100] }
--   urgent: { title: { en: Urgent requests, zh: 紧急诉求 }, unit: "1", range: [0, 50] }
--   reports: { title: { en: Grid reports, zh: 网格上报 }, unit: "1", range: [0, 100] }
-- tests: [ { not_null: [cell] }, { unique: [cell] } ]
-- owner: hotline
-- doc: Requests to 12345 and reports of grid workers per cell over the last hour
-- ---
WITH request_cells AS (
  SELECT h3_cell_to_parent(_cell, 8) AS cell, count(*) AS requests, sum(CASE WHEN urgent THEN 1 ELSE 0 END) AS urgent
  FROM hotline.requests
  WHERE _event_time > now() - INTERVAL '60 minutes'
  GROUP BY 1
), report_cells AS (
  SELECT h3_cell_to_parent(_cell, 8) AS cell, count(*) AS reports
  FROM grid.reports
  WHERE _event_time > now() - INTERVAL '60 minutes'
  GROUP BY 1
)
SELECT
  coalesce(q.cell, r.cell) AS cell,
  coalesce(q.requests, 0) AS requests,
  coalesce(q.urgent, 0) AS urgent,
  coalesce(r.reports, 0) AS reports
FROM request_cells AS q
FULL JOIN report_cells AS r ON r.cell = q.cell
