-- ---
-- table: second
-- ---
SELECT cell FROM first
