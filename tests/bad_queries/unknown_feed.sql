-- ---
-- table: unknown_feed
-- refresh: live
-- ---
SELECT _cell AS cell
FROM trafic.speed
