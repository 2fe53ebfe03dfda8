-- ---
-- layer: safety
-- title: { en: Public safety, zh: 公共安全 }
-- key: cell
-- resolution: 8
-- refresh: live
-- window: 60 minutes on _event_time
-- columns:
--   incidents: { title: { en: Incidents, zh: 警情 }, unit: "1", range: [0, 50] }
--   gravity: { title: { en: Sum of severities, zh: 警情严重度 }, unit: "1", range: [0, 200] }
--   fires: { title: { en: Fire and rescue calls, zh: 火警与救援 }, unit: "1", range: [0, 20] }
--   crowd: { title: { en: People present, zh: 在场人数 }, unit: "1", range: [0, 100000] }
-- tests: [ { not_null: [cell] }, { unique: [cell] }, { range: { incidents: [0, 100000], fires: [0, 100000] } } ]
-- owner: police
-- doc: Police, fire and rescue calls of the last hour per cell, beside the people counted there
-- ---
WITH police_cells AS (
  SELECT h3_cell_to_parent(_cell, 8) AS cell, count(*) AS incidents, sum(severity) AS gravity
  FROM police.incidents
  WHERE _event_time > now() - INTERVAL '60 minutes' AND _area IS NOT NULL
  GROUP BY 1
), fire_cells AS (
  SELECT h3_cell_to_parent(_cell, 8) AS cell, count(*) AS fires
  FROM fire.incidents
  WHERE _event_time > now() - INTERVAL '60 minutes' AND kind <> 'false_alarm' AND _area IS NOT NULL
  GROUP BY 1
), crowd_cells AS (
  SELECT _cell AS cell, avg(people) AS crowd
  FROM telecom.crowd_cells
  WHERE _event_time > now() - INTERVAL '15 minutes'
  GROUP BY 1
)
SELECT
  coalesce(p.cell, f.cell, c.cell) AS cell,
  coalesce(p.incidents, 0) AS incidents,
  coalesce(p.gravity, 0) AS gravity,
  coalesce(f.fires, 0) AS fires,
  c.crowd AS crowd
FROM police_cells AS p
FULL JOIN fire_cells AS f ON f.cell = p.cell
FULL JOIN crowd_cells AS c ON c.cell = coalesce(p.cell, f.cell)
