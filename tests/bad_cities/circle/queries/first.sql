-- ---
-- table: first
-- ---
SELECT cell FROM second
