-- ---
-- table: inc07_distinct_of_everything
-- refresh: live
-- ---
SELECT _cell AS cell, count(DISTINCT vehicle) AS n
FROM traffic.speed
GROUP BY 1
