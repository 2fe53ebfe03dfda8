-- ---
-- table: inc09_grouping_sets
-- refresh: live
-- ---
SELECT _cell AS cell, _area AS area, count(*) AS n
FROM traffic.speed
GROUP BY ROLLUP (_cell, _area)
