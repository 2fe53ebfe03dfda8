-- ---
-- table: inc04_limit_below
-- refresh: live
-- ---
SELECT cell, count(*) AS n
FROM (SELECT _cell AS cell FROM traffic.speed ORDER BY _event_time DESC LIMIT 100)
GROUP BY 1
