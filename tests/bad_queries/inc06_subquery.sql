-- ---
-- table: inc06_subquery
-- refresh: live
-- ---
SELECT _cell AS cell, count(*) FILTER (WHERE speed_kmh > (SELECT avg(speed_kmh) FROM traffic.speed)) AS n
FROM traffic.speed
GROUP BY 1
