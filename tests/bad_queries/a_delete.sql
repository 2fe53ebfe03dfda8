-- ---
-- table: a_delete
-- refresh: live
-- ---
DELETE FROM traffic.speed
