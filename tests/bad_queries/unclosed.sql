-- ---
-- table: unclosed
-- refresh: live
-- ---
SELECT (1 AS n
