# Text files as C: each becomes an array of lines, ended by NULL, and all a table.
function name(file) { sub(/.*\//, "", file); return file }
function flush_file() { if (open) print "\tNULL\n};" }
BEGIN {
	print "/* Made by etc/embed.awk from etc/samples and etc/sysusers.d. */"
	print "#include <stddef.h>\n\n#include \"master/samples.h\"\n"
}
FNR == 1 {
	flush_file()
	open = 1
	files[++n] = (FILENAME ~ /sysusers\.d/) ? "sysusers" : name(FILENAME)
	printf "static const char *const text_%d[] = {\n", n
}
{
	gsub(/\\/, "&&")
	gsub(/"/, "\\\"")
	printf "\t\"%s\\n\",\n", $0
}
END {
	flush_file()
	print "\nconst struct sample samples[] = {"
	for (i = 1; i <= n; i++)
		printf "\t{ \"%s\", text_%d },\n", files[i], i
	print "\t{ NULL, NULL }\n};"
}
