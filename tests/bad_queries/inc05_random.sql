-- ---
-- table: inc05_random
-- refresh: live
-- ---
SELECT _cell AS cell, count(*) AS n
FROM traffic.speed
WHERE random() < 0.1
GROUP BY 1
