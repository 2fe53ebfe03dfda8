-- ---
-- table: inc09_quarantine
-- refresh: live
-- ---
SELECT _cell AS cell, count(*) AS n
FROM traffic.speed
WHERE _submission IN (SELECT submission FROM quarantine.traffic__speed)
GROUP BY 1
