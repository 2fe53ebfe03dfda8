-- ---
-- table: inc09_quarantine_alone
-- refresh: live
-- ---
SELECT count(*) AS n
FROM quarantine.traffic__speed
