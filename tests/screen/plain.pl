# SPDX-License-Identifier: MIT
# perl -p tests/screen/plain.pl: terminal colours as aha(1) understands them: it takes the terminal's own colours,
# named once more after a reset or in reverse, for a colour in reverse. Here each change stands alone, reverse last.
s{((?:\e\[[0-9;]*m)+)}{
	my @c = join(";", $1 =~ /\[([0-9;]*)m/g) =~ /[34]8;5;\d+|\d+/g;
	@c = grep { !/^[34]9$/ } @c if grep { $_ eq "0" || $_ eq "7" } @c;
	my ($reset) = grep { $c[$_] eq "0" } reverse 0 .. $#c;
	splice @c, 0, $reset if defined $reset;
	join "", map { "\e[${_}m" } sort { ($a eq "7") - ($b eq "7") } @c;
}gex;
