-- ---
-- table: types_that_do_not_compare
-- refresh: live
-- ---
SELECT _cell AS cell, count(*) AS n
FROM traffic.speed
WHERE _event_time > 'yesterday'
GROUP BY 1
